"""From author to student: teachers write, the filter keeps, a student and its control read."""

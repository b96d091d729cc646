"""The lab of a chapter with a running kernel: train one student, and ask it, its teacher, control and stranger."""

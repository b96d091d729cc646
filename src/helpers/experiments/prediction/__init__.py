"""Transfer predicted before any student is trained, from one gradient step at its start."""

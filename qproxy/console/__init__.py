"""What an administrator's command asks of a qproxy that runs, and how it prints the answers.

Knows the running one only by its internal listener, and reaches it with what the same configuration directory says.
"""

"""LDAP as a language (RFC 4511): what is said to a directory and what its answers mean.

It exists so that all of it can be read and tested without a directory. It must not reach a network, a clock or a log;
who talks when, and what follows for a login, is in `auth.ldap`.
"""

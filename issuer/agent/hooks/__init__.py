"""Hooks: programs that read a set's files are told when these have changed, and proved to serve them.

- `errors`: ways for a hook to fail, and whether the new files can be at fault.
- `users`: the user that a hook runs as, and files that nobody else may write.
- `programs`: a program without a shell, its output and time bounded.
- `processes`: a signal to the process in a pid file.
- `haproxy`: certificates replaced by HAProxy's runtime socket.
- `containers`: a program or a signal in containers, by Podman's or Docker's socket.
- `serving`: an endpoint until all of its workers show the new certificate.
- `checking`: all of that tried without telling anybody anything.
- `records`: what each consumer was told last, in files.
- `consumer`: one consumer: whether it has to be told, the hook, and the proof.

A consumer is told by what the files are, not by events: a crash between files and hook, or another process
that renewed, is made up for at the next look. No hook gets a secret in its environment or arguments.
"""

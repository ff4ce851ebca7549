"""The files of one certificate, and how all of them change at once.

- `contents`: what each kind of file holds: key, certificate, chain, one combined PEM, PKCS#12. Pure.
- `access_lists`: who may write a file by its POSIX ACL.
- `folders`: folders opened component by component, so that no other user's symlink leads elsewhere.
- `trusted`: files that nobody but root and the agent's user may write.
- `writing`: one file, from its first byte to the disk; never readable more widely than at its end.
- `owners`: users and groups by name, by number, or as a container sees them.
- `numbered`: a numbered folder for each generation of a set, and one symlink whose renaming swaps them.
- `generations`: the set as readers find it: written, rolled back, mended, and held against what was written.
- `opening`: a set opened, by one agent at a time, or to look at it.
- `mounts`: files that are bind mounts, here or in a container: a renamed file never appears there.
- `copies`: files for readers that can't follow symlinks, or that look through such a mount.

A reader that opens two files can meet the swap between the two: no scheme of files prevents that (Kubernetes
says the same of its projected volumes). A combined PEM is one file, and has no such moment.
"""

---------------------------- MODULE MCLeftRight ----------------------------
EXTENDS LeftRight, TLC
CONSTANTS r1, r2
Alike == Permutations({r1, r2})
=============================================================================

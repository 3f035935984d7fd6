----------------------------- MODULE MCRecovery -----------------------------
EXTENDS Recovery, TLC
CONSTANTS t1, t2, p1, p2
Alike == Permutations({t1, t2}) \union Permutations({p1, p2})
=============================================================================

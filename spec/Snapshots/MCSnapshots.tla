---------------------------- MODULE MCSnapshots ----------------------------
EXTENDS Snapshots, TLC
CONSTANTS t1, t2, t3, s1, k1, k2
AllWrite == t1 :> "rw" @@ t2 :> "rw" @@ t3 :> "rw"
OneReads == t1 :> "rw" @@ t2 :> "rw" @@ t3 :> "ro"
OneIsABatch == t1 :> "rw" @@ t2 :> "batch" @@ t3 :> "ro"
KeysAlike == Permutations({k1, k2})
KeysAndWritersAlike == Permutations({k1, k2}) \union Permutations({t1, t2})
=============================================================================

--------------------------- MODULE MCParallelLog ---------------------------
EXTENDS ParallelLog, TLC
CONSTANTS t1, t2, t3, r1, r2, p1, p2
HomeOf == t1 :> 1 @@ t2 :> 2 @@ t3 :> 2
OnePage == r1 :> p1 @@ r2 :> p1
TwoPages == r1 :> p1 @@ r2 :> p2
\* t1 and t2 live before the first crash, t3 after it.
ByEpoch == /\ st[t3] # "idle" => epoch > 1
           /\ epoch > 1 => st[t1] # "idle" /\ st[t2] # "idle"
=============================================================================

--------------------------- MODULE MCBufferFrames ---------------------------
EXTENDS BufferFrames, TLC
CONSTANTS inner, leaf, other, f1, f2
\* The root has two children; one of them has a child.
Tree == inner :> Root @@ leaf :> inner @@ other :> Root
FramesAlike == Permutations({f1, f2})
=============================================================================

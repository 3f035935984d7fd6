----------------------------- MODULE MCTwoPhase -----------------------------
EXTENDS TwoPhase, TLC
CONSTANTS e1, e2, e3
Alike == Permutations({e1, e2})
ThreeAlike == Permutations({e1, e2, e3})
=============================================================================

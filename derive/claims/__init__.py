"""What an equation claims: formulas that have a value at a step, and equalities that are tried."""

"""Study of Hessians at the start against width, depth and the length of rows, beside published powers and bounds."""

--- The version of the rock, kept here only.
return "0.1.0"

package mysql

// StrictMode is the sql_mode that triggers are created under.
const StrictMode = strictMode

// OutOfStep is the predicate.
var OutOfStep = outOfStep

// Substitute puts a reference in the place of a column.
var Substitute = substitute

package mysql

// StrictMode is the sql_mode that triggers are created under.
const StrictMode = strictMode

// OutOfStep is the predicate.
var OutOfStep = outOfStep

// Substitute puts a reference in the place of a column.
var Substitute = substitute

// Names reports whether SQL text names an identifier.
var Names = names

// TakesField reports whether a body takes a column from NEW or OLD.
var TakesField = takesField

// FillValue is what the backfill writes.
var FillValue = fillValue

// ComposeChange gives the statements that lead from one set of links to another.
var ComposeChange = composeChange

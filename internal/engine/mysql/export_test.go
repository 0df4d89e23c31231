package mysql

// StrictMode is the sql_mode that triggers are created under.
const StrictMode = strictMode

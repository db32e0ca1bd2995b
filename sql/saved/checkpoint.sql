-- grain:  none
-- reads:  the log of run
-- params: none
-- Puts what the log of a file says into the file.
checkpoint run

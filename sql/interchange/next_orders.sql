-- grain:  one row per order that waits for the bar after the last
-- reads:  waiting
-- params: none
-- In the order in which that bar would meet them: exits, targets, single orders, levels.
select * exclude (run_id) from waiting

"""Inside the bar: what resting orders and protective levels do after the open."""

-- Only what no test asks for needs it.
return {}

// Package quota keeps what was used, by whom and of which model, and holds it to the limits that admins set: an upper bound
// is reserved before a request runs, and what it really used is settled after it, however it ended. Windows and balances are
// pure; one Service owns them, and writes what was used to the store behind the requests.
//
// It refuses to know HTTP, to count requests by address (the gate does), and to let a request begin that could pass a limit.
package quota

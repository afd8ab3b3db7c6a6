// Package query is the typed form of the statements in the queries folder, made by sqlc. It refuses to be edited by
// hand: change the statements and run go generate in the folder above.
package query

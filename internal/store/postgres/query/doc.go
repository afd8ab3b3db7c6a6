// Package query is the typed form of the statements in the queries folder, made by sqlc, which checks them against the
// migrations. Only their texts are used: the product's code is over the SQLite package's form, and a test compares the two.
// It refuses to be edited by hand: change the statements and run make gen.
package query

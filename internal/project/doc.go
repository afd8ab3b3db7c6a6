// Package project has a model write the files of a small project: it asks with a grammar that only lets an answer of the
// right shape through, reads that answer with bounds, and keeps the files whose paths are safe. Every file's content
// comes from the model, but for a README that is asked for and missing; whatever is added or dropped is said in the
// warnings. It writes nothing to disk and runs nothing.
package project

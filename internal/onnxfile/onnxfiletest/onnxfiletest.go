// Package onnxfiletest writes small model files of ONNX for tests.
package onnxfiletest

import (
	"encoding/binary"
	"math"
)

// Value is an input or an output. A dimension of −1 is free.
type Value struct {
	Name  string
	Type  int
	Shape []int64
}

// Tensor is an initializer. Location says that it lies in another file; Offset and Length are texts there.
type Tensor struct {
	Name                     string
	Type                     int
	Shape                    []int64
	Raw                      []byte
	Location, Offset, Length string
}

// Node is an operator with attributes of whole numbers, lists of them, floats and texts.
type Node struct {
	Op, Domain string
	In, Out    []string
	Ints       map[string]int64
	Lists      map[string][]int64
	Floats     map[string]float32
	Graph      *Graph // of an attribute "body"
}

// Graph is what a model computes.
type Graph struct {
	Nodes   []Node
	Weights []Tensor
	Inputs  []Value
	Outputs []Value
}

// Model writes a model file.
func Model(g Graph) []byte {
	var b []byte
	b = number(b, 1, 8)
	b = text(b, 2, "onnxfiletest")
	b = message(b, 7, graph(g))
	b = message(b, 8, number(nil, 2, 17))
	return message(b, 14, text(text(nil, 1, "purpose"), 2, "test"))
}

// Floats are the raw bytes of numbers.
func Floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// Int64s are the raw bytes of numbers.
func Int64s(v ...int64) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(x)) //nolint:gosec // the bits are meant
	}
	return b
}

func graph(g Graph) []byte {
	var b []byte
	for _, n := range g.Nodes {
		b = message(b, 1, node(n))
	}
	b = text(b, 2, "g")
	for _, t := range g.Weights {
		b = message(b, 5, tensor(t))
	}
	for _, v := range g.Inputs {
		b = message(b, 11, value(v))
	}
	for _, v := range g.Outputs {
		b = message(b, 12, value(v))
	}
	return b
}

func node(n Node) []byte {
	var b []byte
	for _, s := range n.In {
		b = text(b, 1, s)
	}
	for _, s := range n.Out {
		b = text(b, 2, s)
	}
	b = text(b, 4, n.Op)
	for name, v := range n.Ints {
		b = message(b, 5, number(number(text(nil, 1, name), 3, v), 20, 2))
	}
	for name, v := range n.Floats {
		a := append(tag(text(nil, 1, name), 2, 5), Floats(v)...)
		b = message(b, 5, number(a, 20, 1))
	}
	for name, list := range n.Lists {
		a := text(nil, 1, name)
		for _, v := range list {
			a = number(a, 8, v)
		}
		b = message(b, 5, number(a, 20, 7))
	}
	if n.Graph != nil {
		b = message(b, 5, number(message(text(nil, 1, "body"), 6, graph(*n.Graph)), 20, 5))
	}
	if n.Domain != "" {
		b = text(b, 7, n.Domain)
	}
	return b
}

func tensor(t Tensor) []byte {
	var b []byte
	for _, d := range t.Shape {
		b = number(b, 1, d)
	}
	b = number(b, 2, int64(t.Type))
	b = text(b, 8, t.Name)
	if t.Location == "" {
		return message(b, 9, t.Raw)
	}
	for _, p := range [][2]string{{"location", t.Location}, {"offset", t.Offset}, {"length", t.Length}} {
		if p[1] != "" {
			b = message(b, 13, text(text(nil, 1, p[0]), 2, p[1]))
		}
	}
	return number(b, 14, 1)
}

func value(v Value) []byte {
	var shape []byte
	for _, d := range v.Shape {
		if d < 0 {
			shape = message(shape, 1, text(nil, 2, "free"))
			continue
		}
		shape = message(shape, 1, number(nil, 1, d))
	}
	typ := message(number(nil, 1, int64(v.Type)), 2, shape)
	return message(text(nil, 1, v.Name), 2, message(nil, 1, typ))
}

func tag(b []byte, field, kind int) []byte {
	return binary.AppendUvarint(b, uint64(field)<<3|uint64(kind)) //nolint:gosec // small constants
}

func number(b []byte, field int, v int64) []byte {
	return binary.AppendUvarint(tag(b, field, 0), uint64(v)) //nolint:gosec // the bits are meant
}

func message(b []byte, field int, m []byte) []byte {
	return append(binary.AppendUvarint(tag(b, field, 2), uint64(len(m))), m...)
}

func text(b []byte, field int, s string) []byte { return message(b, field, []byte(s)) }

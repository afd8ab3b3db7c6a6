// Package onnxfiletest writes small model files of ONNX for tests.
package onnxfiletest

import (
	"encoding/binary"
	"math"

	"ashatai/internal/protobuf/protobuftest"
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
	b = protobuftest.Number(b, 1, 8)
	b = protobuftest.Text(b, 2, "onnxfiletest")
	b = protobuftest.Message(b, 7, graph(g))
	b = protobuftest.Message(b, 8, protobuftest.Number(nil, 2, 17))
	return protobuftest.Message(b, 14, protobuftest.Text(protobuftest.Text(nil, 1, "purpose"), 2, "test"))
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
		b = protobuftest.Message(b, 1, node(n))
	}
	b = protobuftest.Text(b, 2, "g")
	for _, t := range g.Weights {
		b = protobuftest.Message(b, 5, tensor(t))
	}
	for _, v := range g.Inputs {
		b = protobuftest.Message(b, 11, value(v))
	}
	for _, v := range g.Outputs {
		b = protobuftest.Message(b, 12, value(v))
	}
	return b
}

func node(n Node) []byte {
	var b []byte
	for _, s := range n.In {
		b = protobuftest.Text(b, 1, s)
	}
	for _, s := range n.Out {
		b = protobuftest.Text(b, 2, s)
	}
	b = protobuftest.Text(b, 4, n.Op)
	for name, v := range n.Ints {
		b = protobuftest.Message(b, 5, protobuftest.Number(protobuftest.Number(protobuftest.Text(nil, 1, name), 3, v), 20, 2))
	}
	for name, v := range n.Floats {
		a := append(protobuftest.Tag(protobuftest.Text(nil, 1, name), 2, 5), Floats(v)...)
		b = protobuftest.Message(b, 5, protobuftest.Number(a, 20, 1))
	}
	for name, list := range n.Lists {
		a := protobuftest.Text(nil, 1, name)
		for _, v := range list {
			a = protobuftest.Number(a, 8, v)
		}
		b = protobuftest.Message(b, 5, protobuftest.Number(a, 20, 7))
	}
	if n.Graph != nil {
		b = protobuftest.Message(b, 5, protobuftest.Number(protobuftest.Message(protobuftest.Text(nil, 1, "body"), 6, graph(*n.Graph)), 20, 5))
	}
	if n.Domain != "" {
		b = protobuftest.Text(b, 7, n.Domain)
	}
	return b
}

func tensor(t Tensor) []byte {
	var b []byte
	for _, d := range t.Shape {
		b = protobuftest.Number(b, 1, d)
	}
	b = protobuftest.Number(b, 2, int64(t.Type))
	b = protobuftest.Text(b, 8, t.Name)
	if t.Location == "" {
		return protobuftest.Message(b, 9, t.Raw)
	}
	for _, p := range [][2]string{{"location", t.Location}, {"offset", t.Offset}, {"length", t.Length}} {
		if p[1] != "" {
			b = protobuftest.Message(b, 13, protobuftest.Text(protobuftest.Text(nil, 1, p[0]), 2, p[1]))
		}
	}
	return protobuftest.Number(b, 14, 1)
}

func value(v Value) []byte {
	var shape []byte
	for _, d := range v.Shape {
		if d < 0 {
			shape = protobuftest.Message(shape, 1, protobuftest.Text(nil, 2, "free"))
			continue
		}
		shape = protobuftest.Message(shape, 1, protobuftest.Number(nil, 1, d))
	}
	typ := protobuftest.Message(protobuftest.Number(nil, 1, int64(v.Type)), 2, shape)
	return protobuftest.Message(protobuftest.Text(nil, 1, v.Name), 2, protobuftest.Message(nil, 1, typ))
}

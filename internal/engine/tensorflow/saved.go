package tensorflow

import (
	"errors"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/native/tf"
	"ashatai/internal/savedmodel"
)

// saved is a SavedModel: one of its signatures.
type saved struct {
	lib             *tf.Library
	session         *tf.Session
	inputs, outputs []core.TensorInfo
	from, to        []tf.Port // by the places of inputs and outputs
}

func (s *saved) stop() { _ = s.session.Stop() } // what cannot be ended ends by itself

func (s *saved) close() { s.session.Close() }

func (s *saved) compute(inputs []core.Tensor, places []int, limit time.Duration) ([]core.Tensor, error) {
	values, from := make([]*tf.Value, 0, len(inputs)), make([]tf.Port, 0, len(inputs))
	defer func() {
		for _, v := range values {
			v.Close()
		}
	}()
	for _, t := range inputs {
		v, err := s.value(t)
		if err != nil {
			return nil, core.Wrap(core.CodeInternal, err, "TensorFlow takes no tensor of this size: %s.", reason(err))
		}
		i := slices.IndexFunc(s.inputs, func(in core.TensorInfo) bool { return in.Name == t.Name })
		values, from = append(values, v), append(from, s.from[i])
	}
	to := make([]tf.Port, len(places))
	for i, p := range places {
		to[i] = s.to[p]
	}
	results, err := s.session.Run(from, values, to, limit)
	switch {
	case errors.Is(err, tf.ErrTimeout):
		return nil, core.Wrap(core.CodeDeadline, err, "The model did not answer in the time that the request has.")
	case err != nil:
		return nil, core.Wrap(core.CodeInvalidRequest, err, "TensorFlow refused the input: %s.", reason(err))
	}
	defer func() {
		for _, v := range results {
			v.Close()
		}
	}()
	answer := make([]core.Tensor, len(results))
	for i, v := range results {
		if answer[i], err = tensorOf(s.outputs[places[i]], v); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

func (s *saved) value(t core.Tensor) (*tf.Value, error) {
	if t.Type == core.Bytes {
		return s.lib.Texts(t.Shape, core.Texts(t.Data))
	}
	return s.lib.Of(types()[t.Type], t.Shape, t.Data)
}

// tensorOf copies a value.
func tensorOf(info core.TensorInfo, v *tf.Value) (t core.Tensor, err error) {
	typ, shape := v.Info()
	t = core.Tensor{Name: info.Name, Type: typeOf(typ), Shape: shape}
	if t.Type != info.Type {
		return t, core.Errorf(core.CodeBadModel, "The model's output %.80q is of TensorFlow's type %d, where its signature says %s. Export the model again.", info.Name, typ, info.Type)
	}
	if t.Type == core.Bytes {
		t.Data, err = v.AppendTexts([]byte{})
	} else {
		var view []byte
		view, err = v.Data()
		t.Data = append([]byte{}, view...)
	}
	if err != nil {
		return t, core.Wrap(core.CodeInternal, err, "TensorFlow's answer cannot be read: %s.", reason(err))
	}
	return t, nil
}

func ports(list []savedmodel.Tensor) []tf.Port {
	out := make([]tf.Port, len(list))
	for i, t := range list {
		out[i] = tf.Port{Node: t.Node, Index: t.Index}
	}
	return out
}

// infos says what a signature takes or gives in the words of the contract. Where nothing is said of a shape it is nil.
func infos(list []savedmodel.Tensor) ([]core.TensorInfo, error) {
	out := make([]core.TensorInfo, 0, len(list))
	for _, t := range list {
		typ := typeOf(t.Type)
		if typ == "" || len(t.Shape) > core.MaxRank {
			return nil, core.Errorf(core.CodeBadModel, "The model's %.80q is no tensor that can be served (TensorFlow's type %d, %d dimensions). Export the model with a signature of plain tensors.", t.Name, t.Type, len(t.Shape))
		}
		info := core.TensorInfo{Name: t.Name, Type: typ, Shape: append([]int64{}, t.Shape...)}
		if t.AnyRank {
			info.Shape = nil
		}
		out = append(out, info)
	}
	return out, nil
}

// types are TensorFlow's numbers of the element types.
func types() map[core.DataType]int {
	return map[core.DataType]int{
		core.FP32: tf.Float32, core.FP64: tf.Float64, core.FP16: tf.Float16, core.BF16: tf.BFloat16, core.Bool: tf.Bool,
		core.Int8: tf.Int8, core.Int16: tf.Int16, core.Int32: tf.Int32, core.Int64: tf.Int64,
		core.Uint8: tf.Uint8, core.Uint16: tf.Uint16, core.Uint32: tf.Uint32, core.Uint64: tf.Uint64, core.Bytes: tf.String,
	}
}

func typeOf(number int) core.DataType {
	for t, n := range types() {
		if n == number {
			return t
		}
	}
	return ""
}

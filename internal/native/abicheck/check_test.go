package abicheck

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

const header = `
#define LLAMA_API __attribute__((visibility("default")))
#define WIDE 3 // elements
typedef struct thing_i * thing_t;
typedef int32_t token;          // a comment; with a semicolon
typedef bool (*stop_fn)(void * data);
enum mode { A, B };
struct params { /* laid out */
	int32_t n;
	thing_t other;
	enum mode m;
	bool a; bool b;
	size_t len;
	stop_fn stop;
	bool mask[WIDE]; int32_t two[2];
};
typedef struct pair { float x; double y; } pair;
LLAMA_API struct params defaults(void);
LLAMA_API int32_t run(thing_t t, struct params p, const float * data, token last);
LLAMA_API const char * name_of(const thing_t t);
LLAMA_API void forget(
	thing_t t, // which
	bool    all);
LLAMA_API size_t count(thing_t);
LLAMA_API wchar_t odd(void);
struct outer { bool on; struct pair inner; };
struct outer * make(int n);
LLGUIDANCE_NODISCARD
int32_t marked(struct outer * o);
typedef enum TF_Code { TF_OK = 0 } TF_Code;
typedef enum { kOk, kOther = -1 } Status;
LITERT_DEFINE_HANDLE(Model);
TF_CAPI_EXPORT extern TF_Code code_of(const TF_Status* s);
Status load(int n, Model* out);
`

type outer struct {
	On    bool
	_     [7]byte
	Inner pair
}

type params struct {
	N     int32
	_     [4]byte
	Other uintptr
	M     int32
	A, B  bool
	_     [2]byte
	Len   uint64
	Stop  uintptr
	Mask  [3]bool
	_     byte
	Two   [2]int32
	_     [4]byte
}

type pair struct {
	X float32
	_ [4]byte
	Y float64
}

func TestGoodBindingsPass(t *testing.T) {
	type fns struct {
		Defaults func() params                                      `c:"defaults"`
		Run      func(uintptr, params, unsafe.Pointer, int32) int32 `c:"run"`
		Name     func(uintptr) string                               `c:"name_of"`
		Forget   func(uintptr, bool)                                `c:"forget"`
		Count    func(uintptr) uint64                               `c:"count"`
		Make     func(int32) uintptr                                `c:"make"`
		Marked   func(uintptr) int32                                `c:"marked"`
		Code     func(uintptr) int32                                `c:"code_of"`
		Load     func(int32, uintptr) int32                         `c:"load"`
	}
	h := Parse(header)
	structs := map[string]reflect.Type{"params": reflect.TypeFor[params](), "pair": reflect.TypeFor[pair](), "outer": reflect.TypeFor[outer]()}
	for _, msg := range append(h.Functions(reflect.TypeFor[fns](), structs), h.Structs(structs)...) {
		t.Error(msg)
	}
}

func TestEachDifferenceIsFound(t *testing.T) {
	type fns struct {
		Missing func()                                              `c:"nowhere"`
		Few     func(uintptr, params) int32                         `c:"run"`
		Kind    func(uintptr, params, unsafe.Pointer, uint32) int32 `c:"run"`
		Wide    func(uintptr, params, unsafe.Pointer, int32) int64  `c:"run"`
		Struct  func(uintptr, pair, unsafe.Pointer, int32) int32    `c:"run"`
		Lost    func()                                              `c:"defaults"`
		Odd     func() int32                                        `c:"odd"`
		Slice   func([]byte) uint64                                 `c:"count"`
	}
	structs := map[string]reflect.Type{"params": reflect.TypeFor[params](), "pair": reflect.TypeFor[pair]()}
	got := Parse(header).Functions(reflect.TypeFor[fns](), structs)
	for i, want := range []string{"nowhere: no such", "with 2 parameters", "parameter 3", "result is", "parameter 1", "not bound", "not known", "a Go slice"} {
		if i >= len(got) || !strings.Contains(got[i], want) {
			t.Errorf("difference %d: want %q in %q", i, want, got)
		}
	}
}

func TestEachWrongLayoutIsFound(t *testing.T) {
	type short struct {
		X float32
		Y float32
	}
	type swapped struct {
		X float64
		Y float32
	}
	type more struct {
		X float32
		_ [4]byte
		Y float64
		Z int32
	}
	for _, g := range []reflect.Type{reflect.TypeFor[short](), reflect.TypeFor[swapped](), reflect.TypeFor[more]()} {
		if got := Parse(header).Structs(map[string]reflect.Type{"pair": g}); len(got) == 0 {
			t.Errorf("%s passed", g)
		}
	}
	type array struct {
		A int32
		B [3]int8
	}
	for _, declared := range []string{"struct array { int a; char b[4]; };", "struct array { int a; char b; };", "struct array { int a; char b[UNKNOWN]; };"} {
		if got := Parse(declared).Structs(map[string]reflect.Type{"array": reflect.TypeFor[array]()}); len(got) == 0 {
			t.Errorf("%s passed", declared)
		}
	}
	if got := Parse(header).Structs(map[string]reflect.Type{"absent": reflect.TypeFor[pair]()}); len(got) != 1 {
		t.Errorf("a struct that is not declared: %v", got)
	}
}

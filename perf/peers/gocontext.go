// SPDX-License-Identifier: MIT

// Go's context, by the rows of peer.c: the same loops, the same chunks.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunk     = 5 * time.Millisecond
	chunks    = 6
	wakes     = 150
	deadlines = 60
	depth     = 100
)

type key int

var (
	parent, quit = context.WithCancel(context.Background())
	far          = time.Now().Add(time.Hour)
	leaf         = parent
	keep         context.Context
	nothing      any
)

func must(ok bool) {
	if !ok {
		os.Exit(1)
	}
}

func pollErr(n int) {
	for ; n > 0; n-- {
		must(parent.Err() == nil)
	}
}

func pollDone(n int) {
	for ; n > 0; n-- {
		select {
		case <-parent.Done():
			os.Exit(1)
		default:
		}
	}
}

// Its put is its cancel: vet does not let a program drop one.
func deriveCancel(n int) {
	for ; n > 0; n-- {
		ctx, cancel := context.WithCancel(parent)
		keep = ctx
		cancel()
	}
}

// Two goroutines at once do not share a sink.
func deriveCancelApart(n int) {
	var mine context.Context
	for ; n > 0; n-- {
		ctx, cancel := context.WithCancel(parent)
		mine = ctx
		cancel()
	}
	must(mine.Err() != nil)
}

func withTimeout(n int) {
	for ; n > 0; n-- {
		ctx, cancel := context.WithTimeout(parent, time.Hour)
		keep = ctx
		cancel()
	}
}

func withDeadline(n int) {
	for ; n > 0; n-- {
		ctx, cancel := context.WithDeadline(parent, far)
		keep = ctx
		cancel()
	}
}

func valueHit(n int) {
	for ; n > 0; n-- {
		nothing = leaf.Value(key(0))
	}
	must(nothing != nil)
}

func valueMiss(n int) {
	for ; n > 0; n-- {
		nothing = leaf.Value(key(depth))
	}
	must(nothing == nil)
}

func timed(loop func(int), n int) time.Duration {
	t0 := time.Now()
	loop(n)
	return time.Since(t0)
}

func timedTwo(loop func(int), n int) time.Duration {
	var both sync.WaitGroup
	var ready int32
	var from, to [2]time.Time

	both.Add(2)
	for i := 0; i < 2; i++ {
		go func(i int) {
			atomic.AddInt32(&ready, 1)
			for atomic.LoadInt32(&ready) < 2 {
			}
			from[i] = time.Now()
			loop(n)
			to[i] = time.Now()
			both.Done()
		}(i)
	}
	both.Wait()
	if from[1].Before(from[0]) {
		from[0] = from[1]
	}
	if to[1].After(to[0]) {
		to[0] = to[1]
	}
	return to[0].Sub(from[0])
}

func best(fn func(func(int), int) time.Duration, loop func(int)) float64 {
	n := 1000
	for fn(loop, n) < chunk {
		n *= 2
	}
	least := fn(loop, n)
	for i := 1; i < chunks; i++ {
		if d := fn(loop, n); d < least {
			least = d
		}
	}
	return float64(least.Nanoseconds()) / float64(n)
}

type tree struct {
	cancel context.CancelFunc
	child  []context.Context
}

func newTree(n int, deep bool) *tree {
	root, cancel := context.WithCancel(context.Background())
	t := &tree{cancel, make([]context.Context, n)}
	for i := range t.child {
		of := root
		if deep && i > 0 {
			of = t.child[i-1]
		}
		t.child[i], _ = context.WithCancel(of)
	}
	return t
}

func cancelTree(n int, deep bool, times int) float64 {
	least := time.Hour
	for ; times > 0; times-- {
		t := newTree(n, deep)
		t0 := time.Now()
		t.cancel()
		if d := time.Since(t0); d < least {
			least = d
		}
		for _, c := range t.child {
			must(c.Err() != nil)
		}
	}
	return float64(least.Nanoseconds()) / float64(n)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Of the live heap, without what the collector keeps in reserve.
func bytesPerLeaf(n int) float64 {
	before := heap()
	t := newTree(n, false)
	after := heap()
	runtime.KeepAlive(t)
	return float64(after-before)/float64(n) - 16 // the slice's own
}

func waitWake() float64 {
	type waitable struct {
		ctx    context.Context
		cancel context.CancelFunc
	}
	var blocked atomic.Pointer[waitable]
	var ran atomic.Int64
	start := time.Now() // since it: monotonic
	ns := make([]float64, wakes)

	go func() {
		for i := 0; i < wakes; i++ {
			ctx, cancel := context.WithCancel(context.Background())
			blocked.Store(&waitable{ctx, cancel})
			<-ctx.Done()
			ran.Store(int64(time.Since(start)))
		}
	}()
	for i := range ns {
		var w *waitable
		for w == nil {
			w = blocked.Swap(nil)
		}
		time.Sleep(300 * time.Microsecond)
		t0 := int64(time.Since(start))
		w.cancel()
		t1 := ran.Swap(0)
		for t1 == 0 {
			t1 = ran.Swap(0)
		}
		ns[i] = float64(t1 - t0)
	}
	sort.Float64s(ns)
	return ns[len(ns)/2]
}

// The canceller blocks at once: the waiter gets its processor, no thread is woken.
func waitSwitch() float64 {
	ns := make([]float64, wakes)
	for i := range ns {
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan time.Time)
		go func() {
			<-ctx.Done()
			ran <- time.Now()
		}()
		time.Sleep(300 * time.Microsecond)
		t0 := time.Now()
		cancel()
		ns[i] = float64((<-ran).Sub(t0))
	}
	sort.Float64s(ns)
	return ns[len(ns)/2]
}

func deadlineLate() float64 {
	ns := make([]float64, deadlines)
	for i := range ns {
		when := time.Now().Add(time.Millisecond +
			time.Duration(i)*7919)
		ctx, cancel := context.WithDeadline(parent, when)
		<-ctx.Done()
		ns[i] = float64(time.Since(when))
		cancel()
	}
	sort.Float64s(ns)
	return ns[len(ns)/2]
}

func row(name string) {
	unit := "ns"
	v := 0.0
	switch name {
	case "version":
		fmt.Println("version", runtime.Version())
		return
	case "poll":
		v = best(timed, pollErr)
		if d := best(timed, pollDone); d < v {
			v = d
		}
	case "derive_put", "derive_cancel_put":
		v = best(timed, deriveCancel)
	case "derive_put_2t":
		v = best(timedTwo, deriveCancelApart)
	case "with_timeout_put":
		v = best(timed, withTimeout)
	case "with_deadline_put":
		v = best(timed, withDeadline)
	case "value_100_hit":
		v = best(timed, valueHit)
	case "value_100_miss":
		v = best(timed, valueMiss)
	case "cancel_child_10k":
		v = cancelTree(10000, false, 10)
	case "cancel_child_1m":
		v = cancelTree(1000000, false, 1)
	case "deep_10k":
		v = cancelTree(10000, true, 5)
	case "deep_100k":
		v = cancelTree(100000, true, 3)
	case "bytes_per_leaf":
		v = bytesPerLeaf(200000)
		unit = "bytes"
	case "cancel_wait_wake":
		v = waitWake()
	case "cancel_wait_switch":
		v = waitSwitch()
	case "deadline_late_idle":
		v = deadlineLate()
	default:
		return
	}
	fmt.Printf("%s %.3f %s\n", name, v, unit)
}

func main() {
	for i := 0; i < depth; i++ {
		leaf = context.WithValue(leaf, key(i), i+1)
	}
	for _, name := range os.Args[1:] {
		row(name)
	}
	quit()
}

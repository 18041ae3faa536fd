// repertoire.go - what Go programs do with gomemcache. See client_repertoire.py.
//
// usage: repertoire HOST:PORT PREFIX SCENARIO

package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

var (
	client *memcache.Client
	prefix string
)

func expect(condition bool, what ...interface{}) {
	if !condition {
		_, _, line, _ := runtime.Caller(1)
		fmt.Fprintln(os.Stderr, "line", line, "not so:", what)
		os.Exit(1)
	}
}

func expectError(expected, got error) {
	if expected != got {
		_, _, line, _ := runtime.Caller(1)
		fmt.Fprintf(os.Stderr, "line %d: expected %v, got %v\n", line, expected, got)
		os.Exit(1)
	}
}

func item(key, value string) *memcache.Item {
	return &memcache.Item{Key: prefix + key, Value: []byte(value)}
}

func expectValue(key, value string) {
	got, err := client.Get(prefix + key)
	expect(err == nil && string(got.Value) == value, key, got, err)
}

func storeAndFetch() {
	_, err := client.Get(prefix + "a")
	expectError(memcache.ErrCacheMiss, err)
	expectError(nil, client.Set(&memcache.Item{Key: prefix + "a", Value: []byte("one"), Flags: 1<<32 - 1}))
	got, err := client.Get(prefix + "a")
	expect(err == nil && string(got.Value) == "one" && got.Flags == 1<<32-1, got, err)
	expectError(memcache.ErrNotStored, client.Add(item("a", "two")))
	expectError(nil, client.Replace(item("a", "three")))
	expectValue("a", "three")
	expectError(memcache.ErrNotStored, client.Replace(item("b", "one")))
	expectError(nil, client.Add(item("b", "two")))
	expectError(nil, client.Delete(prefix+"a"))
	expectError(memcache.ErrCacheMiss, client.Delete(prefix+"a"))
}

func cas() {
	expectError(nil, client.Set(item("a", "one")))
	mine, err := client.Get(prefix + "a")
	expectError(nil, err)
	other, err := client.Get(prefix + "a")
	expectError(nil, err)
	mine.Value, other.Value = []byte("two"), []byte("three")
	expectError(nil, client.CompareAndSwap(mine))
	expectError(memcache.ErrCASConflict, client.CompareAndSwap(other))
	expectValue("a", "two")
	expectError(nil, client.Delete(prefix+"a"))
	expectError(memcache.ErrCacheMiss, client.CompareAndSwap(mine))
}

func incrAndDecr() {
	_, err := client.Increment(prefix+"a", 1)
	expectError(memcache.ErrCacheMiss, err)
	expectError(nil, client.Set(item("a", "10")))
	number, err := client.Increment(prefix+"a", 5)
	expect(err == nil && number == 15, number, err)
	number, err = client.Decrement(prefix+"a", 100)
	expect(err == nil && number == 0, number, err)
	expectError(nil, client.Set(item("a", "ten")))
	_, err = client.Increment(prefix+"a", 1)
	expect(err != nil && strings.Contains(err.Error(), "non-numeric"), err)
}

func touchAndExpiry() {
	for _, name := range []string{"short", "touched"} {
		expectError(nil, client.Set(&memcache.Item{Key: prefix + name, Value: []byte(name), Expiration: 2}))
	}
	expectError(nil, client.Set(item("for_ever", "1")))
	expectError(nil, client.Set(&memcache.Item{Key: prefix + "date", Value: []byte("1"), Expiration: int32(time.Now().Unix()) + 100}))
	expectError(nil, client.Touch(prefix+"touched", 100))
	expectError(memcache.ErrCacheMiss, client.Touch(prefix+"missing", 100))
	time.Sleep(3200 * time.Millisecond)
	found, err := client.GetMulti([]string{prefix + "short", prefix + "touched", prefix + "for_ever", prefix + "date"})
	expect(err == nil && len(found) == 3 && found[prefix+"short"] == nil, found, err)
}

func multiget() {
	var keys []string
	for number := 0; number < 4000; number++ {
		keys = append(keys, fmt.Sprintf("%skey%d", prefix, number))
		if number < 2000 {
			expectError(nil, client.Set(item(fmt.Sprintf("key%d", number), fmt.Sprint(number))))
		}
	}
	found, err := client.GetMulti(keys)
	expect(err == nil && len(found) == 2000, len(found), err)
	for number := 0; number < 2000; number++ {
		expect(string(found[keys[number]].Value) == fmt.Sprint(number), number)
	}
}

func manyAtOnce() {
	var running sync.WaitGroup
	for number := 0; number < 50; number++ {
		running.Add(1)
		go func(key string) {
			defer running.Done()
			for count := 0; count < 100; count++ {
				expectError(nil, client.Set(item(key, fmt.Sprint(count))))
				expectValue(key, fmt.Sprint(count))
			}
		}(fmt.Sprint("key", number))
	}
	running.Wait()
}

func valuesOfEveryLengthAndByte() {
	all := make([]byte, 1048000)
	for index := range all {
		all[index] = byte(index * 7)
	}
	for _, size := range []int{0, 1, 255, 256, 1000, 8192, 16384, 65536, 131072, 524288, 1048000} {
		expectError(nil, client.Set(&memcache.Item{Key: prefix + "a", Value: all[:size]}))
		got, err := client.Get(prefix + "a")
		expect(err == nil && bytes.Equal(got.Value, all[:size]), size, err)
	}
}

func tooLargeValue() {
	expect(client.Set(item("a", strings.Repeat("x", 2<<20))) != nil)
	_, err := client.Get(prefix + "a")
	expectError(memcache.ErrCacheMiss, err)
	expectError(nil, client.Set(item("a", "small")))
	expectValue("a", "small")
}

func keysOf250Bytes() {
	longest := strings.Repeat("k", 250-len(prefix))
	for _, name := range []string{longest, "a.b/c?d=e&f#g%20"} {
		expectError(nil, client.Set(item(name, name)))
		expectValue(name, name)
	}
	expectError(memcache.ErrMalformedKey, client.Set(item(longest+"k", "x")))
}

func main() {
	client = memcache.New(os.Args[1])
	client.Timeout = 20 * time.Second
	prefix = os.Args[2] + "go:" + os.Args[3] + ":"
	map[string]func(){
		"store_and_fetch":                 storeAndFetch,
		"cas":                             cas,
		"incr_and_decr":                   incrAndDecr,
		"touch_and_expiry":                touchAndExpiry,
		"multiget":                        multiget,
		"many_at_once":                    manyAtOnce,
		"values_of_every_length_and_byte": valuesOfEveryLengthAndByte,
		"too_large_value":                 tooLargeValue,
		"keys_of_250_bytes":               keysOf250Bytes,
	}[os.Args[3]]()
}

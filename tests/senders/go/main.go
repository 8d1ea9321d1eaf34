// analytics-go: every call, in small batches. usage: senders URL KEY, calls on standard input.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/segmentio/analytics-go/v3"
)

type call struct {
	Call, UserId, GroupId, PreviousId, Event, Name string
	Category                                       string
	Traits, Properties                             map[string]interface{}
}

// outcomes counts the calls that are done, and collects what the library calls an error.
type outcomes struct {
	lock  sync.Mutex
	done  sync.WaitGroup
	texts []string
}

func (o *outcomes) Success(analytics.Message) { o.done.Done() }

func (o *outcomes) Failure(_ analytics.Message, err error) {
	o.lock.Lock()
	o.texts = append(o.texts, err.Error())
	o.lock.Unlock()
	o.done.Done()
}

func message(c call) analytics.Message {
	switch c.Call {
	case "identify":
		return analytics.Identify{UserId: c.UserId, Traits: c.Traits}
	case "track":
		return analytics.Track{UserId: c.UserId, Event: c.Event, Properties: c.Properties}
	case "page":
		return analytics.Page{UserId: c.UserId, Name: c.Name, Properties: c.Properties}
	case "screen":
		return analytics.Screen{UserId: c.UserId, Name: c.Name, Properties: c.Properties}
	case "group":
		return analytics.Group{UserId: c.UserId, GroupId: c.GroupId, Traits: c.Traits}
	}
	return analytics.Alias{UserId: c.UserId, PreviousId: c.PreviousId}
}

func main() {
	var calls []call
	found := outcomes{texts: []string{}}
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		panic(err)
	}
	client, err := analytics.NewWithConfig(os.Args[2], analytics.Config{
		Endpoint: os.Args[1], BatchSize: 10, Interval: 200 * time.Millisecond, Callback: &found,
		RetryAfter:     func(int) time.Duration { return 200 * time.Millisecond },
		DefaultContext: &analytics.Context{Extra: map[string]interface{}{"of_the_batch": "yes"}},
	})
	if err != nil {
		panic(err)
	}
	found.done.Add(len(calls))
	for _, c := range calls {
		if err := client.Enqueue(message(c)); err != nil {
			found.Failure(nil, err)
		}
	}
	found.done.Wait() // Close gives up what is being tried again
	if err := client.Close(); err != nil {
		found.texts = append(found.texts, err.Error())
	}
	report, _ := json.Marshal(map[string]interface{}{"library": "analytics-go", "version": "3.3.0", "errors": found.texts})
	fmt.Println(string(report))
}

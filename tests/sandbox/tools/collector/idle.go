package main

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// anything takes every key of a configuration and heeds none.
type anything map[string]any

// idle starts, receives nothing, and ends.
type idle struct {
	component.StartFunc
	component.ShutdownFunc
}

// idleReceiver stands for a receiver whose module can't be had at this version: what it would receive is not there.
func idleReceiver(name string) receiver.Factory {
	return receiver.NewFactory(
		component.MustNewType(name),
		func() component.Config { return &anything{} },
		receiver.WithLogs(func(context.Context, receiver.Settings, component.Config, consumer.Logs) (receiver.Logs, error) {
			return idle{}, nil
		}, component.StabilityLevelDevelopment),
	)
}

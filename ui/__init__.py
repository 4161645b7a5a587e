"""The command line and the pages: the only place that reads the environment and starts the OpenTelemetry SDK."""

"""The base models: pretraining, health, relatives, distances."""

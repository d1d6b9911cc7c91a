"""The map view: one component that redraws in the browser."""

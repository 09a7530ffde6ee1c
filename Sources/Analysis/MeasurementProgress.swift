import Tensors

/// Told, on the calling thread, how many of the pieces of a measurement are done; an error it throws ends the measurement.
public typealias MeasurementProgress = LoopProgress

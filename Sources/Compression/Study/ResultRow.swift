import Benchmarking
import Foundation
import ModelFiles
import Tensors

/// What tells the rows of one model in a file of results apart: which method, at which size.
public protocol ResultKey: Sendable, Equatable {
    /// Nil for what is no row of this format.
    init?(json: JSONValue)
    var members: JSONObject { get }
}

/// What was measured of a row.
public protocol ResultMeasurement: Sendable, Equatable {
    var figures: [QualityFigure] { get }
    /// Nil for what is no row of this format, and for a row without measurements.
    init?(json: JSONValue)
    var members: JSONObject { get }
}

extension ResultMeasurement {
    public func figure(_ key: String) -> QualityFigure? { figures.first { $0.key == key } }
}

/// One method at one size over a whole model: what came out, or why nothing did.
@dynamicMemberLookup
public struct ResultRow<Key: ResultKey, Measured: ResultMeasurement>: Sendable, Equatable {
    public let key: Key
    /// ISO 8601, when it was measured.
    public let date: String
    public let processor: String
    public let threads: Int
    /// What the program was built from; empty where that is not known.
    public let commit: String
    public var measured: Measured?
    public var error: String?
    /// Whether the error is that it took too long.
    var isTooSlow = false

    /// Of now, on this machine.
    init(_ key: Key, commit: String, context: ExecutionContext) {
        self.key = key
        date = Date().formatted(.iso8601)
        processor = ProcessorName.current
        threads = context.threads
        self.commit = commit
    }

    public subscript<Value>(dynamicMember member: KeyPath<Key, Value>) -> Value { key[keyPath: member] }

    var json: JSONValue {
        var object = key.members
        object["date"] = .string(date)
        object["processor"] = .string(processor)
        object["threads"] = JSONValue(integer: threads)
        object["commit"] = .string(commit)
        if let error { object["error"] = .string(error) }
        if isTooSlow { object["too_slow"] = true }
        for (name, value) in measured?.members ?? JSONObject() { object[name] = value }
        return .object(object)
    }

    /// Nil for what is no row of this format.
    init?(json: JSONValue) {
        guard let key = Key(json: json), let date = json["date"]?.stringValue,
            let processor = json["processor"]?.stringValue, let threads = json["threads"]?.intValue
        else { return nil }
        self.key = key
        self.date = date
        self.processor = processor
        self.threads = threads
        commit = json["commit"]?.stringValue ?? ""
        error = json["error"]?.stringValue
        isTooSlow = json["too_slow"]?.boolValue ?? false
        measured = Measured(json: json)
        if measured == nil, error == nil { return nil }
    }
}

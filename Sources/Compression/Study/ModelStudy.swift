import Fitting
import Foundation
import Tensors

/// Rows of one model that a file of results may lack, measured one after another.
///
/// Each row is written when it is done; a study that is started again measures what the file lacks. What a method refuses is a
/// row with its error.
protocol ModelStudy {
    associatedtype Format: ResultsFormat
    /// One row to measure.
    associatedtype Task

    var model: String { get }
    /// The file of results.
    var output: String { get }
    /// What the program was built from, for the rows.
    var commit: String { get }
    var context: ExecutionContext { get }
    var progress: @Sendable (CompressionProgress) -> Void { get }

    func key(of task: Task) -> Format.Key
    /// "svd, 25 % of bytes".
    func title(of task: Task) -> String
}

extension ModelStudy {
    var modelName: String { URL(fileURLWithPath: model).lastPathComponent }

    /// - Parameters:
    ///   - results: without rows.
    ///   - tasks: the most important first.
    ///   - mayBegin: whether another row may be begun.
    ///   - refusal: why a row need not be tried, after those that there are.
    ///   - measure: what a row has of its own.
    /// - Throws: `ModelFileError`; `CompressionError.studyUnreadable`, `.studyMismatch`.
    func run(
        _ tasks: [Task], into results: ModelResults<Format>, mayBegin: () -> Bool = { true },
        refusal: (Task, [ModelResults<Format>.Row]) -> String? = { _, _ in nil },
        measure: (Task, _ progress: @escaping @Sendable (CompressionProgress) -> Void) throws -> Format.Measured
    ) throws -> ModelResults<Format> {
        var results = results
        try results.read(output)
        // Before hours of work, not after.
        try results.write(output)
        for (index, task) in tasks.enumerated() where results.row(key(of: task)) == nil {
            guard mayBegin() else { break }
            var row = ModelResults<Format>.Row(key(of: task), commit: commit, context: context)
            row.error = refusal(task, results.rows)
            if row.error == nil {
                let (stage, progress) = ("\(index + 1) of \(tasks.count): \(title(of: task))", progress)
                do {
                    row.measured = try measure(task) {
                        progress(CompressionProgress(stage: "\(stage): \($0.stage)", done: $0.done, total: $0.total))
                    }
                } catch CompressionError.tookTooLong(let seconds) {
                    row.error = "\(CompressionError.tookTooLong(seconds: seconds))"
                    row.isTooSlow = true
                } catch {
                    row.error = "\(error)"
                }
            }
            results.rows.append(row)
            try results.write(output)
        }
        return results
    }
}

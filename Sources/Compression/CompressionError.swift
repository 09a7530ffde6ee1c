import Tensors

/// What compressing a model can refuse; every message is one line.
public enum CompressionError: Error, Equatable, CustomStringConvertible {
    case invalidBudget(text: String, reason: String)
    case budgetTooSmall(quantity: String, budget: Int, smallest: Int)
    case patternMatchesNothing(pattern: String)
    case unknownFamily(name: String, known: [String])
    case alreadyCompressed(folder: String)
    case emptyCalibration(file: String)
    case calibrationTooShort(file: String, expected: String, got: String)
    case calibrationNotText(file: String)
    case missingCalibration(reason: String)
    case notFinite(matrix: String, what: String)
    case journalMismatch(folder: String, differs: [String])
    case journalUnreadable(file: String, reason: String)
    case journalInUse(folder: String)
    case planUnreadable(file: String, reason: String)
    case planMismatch(file: String, reason: String)
    case notEnoughMemory(expected: Int, got: Int)
    case cancelled

    public var description: String {
        switch self {
        case .invalidBudget(let text, let reason):
            "budget '\(text)': \(reason)"
        case .budgetTooSmall(let quantity, let budget, let smallest):
            "the budget of \(budget) \(quantity) cannot be met: the smallest these families reach is \(smallest)"
        case .patternMatchesNothing(let pattern):
            "pattern '\(pattern)' matches no matrix of the model (see 'tessera inspect')"
        case .unknownFamily(let name, let known):
            "unknown family '\(name)', expected one of \(known.joined(separator: ", "))"
        case .alreadyCompressed(let folder):
            "\(pathForMessage(folder)): is already compressed; 'tessera export --dense' makes it an ordinary model again"
        case .emptyCalibration(let file):
            "\(pathForMessage(file)): calibration text is empty"
        case .calibrationTooShort(let file, let expected, let got):
            "\(pathForMessage(file)): calibration text is too short: expected \(expected), got \(got)"
        case .calibrationNotText(let file):
            "\(pathForMessage(file)): calibration text is not UTF-8"
        case .missingCalibration(let reason):
            "calibration text is needed: \(reason) (--calibration FILE or --calibration self)"
        case .notFinite(let matrix, let what):
            "\(matrix): \(what) holds NaN or infinite numbers"
        case .journalMismatch(let folder, let differs):
            "\(pathForMessage(folder)): journal of another run: \(differs.joined(separator: ", ")) differs; remove the folder to start afresh"
        case .journalUnreadable(let file, let reason):
            "\(pathForMessage(file)): journal cannot be read: \(reason)"
        case .journalInUse(let folder):
            "\(pathForMessage(folder)): another process is compressing to this output"
        case .planUnreadable(let file, let reason):
            "\(pathForMessage(file)): not a plan: \(reason)"
        case .planMismatch(let file, let reason):
            "\(pathForMessage(file)): the plan does not fit this model: \(reason)"
        case .notEnoughMemory(let expected, let got):
            "calibration and fitting need about \(expected) bytes of memory, the machine has \(got)"
        case .cancelled:
            "stopped; run the same command again to continue"
        }
    }
}

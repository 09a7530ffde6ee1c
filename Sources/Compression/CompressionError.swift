import Tensors

/// What compressing a model can refuse; every message is one line.
public enum CompressionError: Error, Equatable, CustomStringConvertible {
    case invalidBudget(text: String, reason: String)
    case invalidMemory(text: String)
    case budgetTooSmall(quantity: String, budget: Int, smallest: Int)
    /// `smallest` of the second quantity is the least found within the first budget.
    case budgetsTooSmallTogether(quantity: String, budget: Int, second: String, secondBudget: Int, smallest: Int)
    /// Shares of the dense model's time; `fixed` is what no choice of families changes.
    case latencyUnreachable(target: Double, reachable: Double, fixed: Double, dense: String)
    case latencyTableUnreadable(file: String, reason: String)
    case latencyTableIncomplete(file: String, machine: String, missing: String)
    case patternMatchesNothing(pattern: String)
    case unknownFamily(name: String, known: [String])
    case unknownFitter(name: String, known: [String])
    case unknownAllocator(name: String, known: [String])
    case unknownRecovery(name: String, known: [String])
    case invalidLevels(text: String)
    case notNarrowedHere(reason: String)
    case unknownMatrix(folder: String, matrix: String)
    case noCandidate(matrix: String, family: String, shape: String)
    case inputsMismatch(file: String, expected: Int, got: Int)
    case arrayNotNamed(file: String, names: [String])
    case alreadyCompressed(folder: String)
    case emptyCalibration(file: String)
    case calibrationTooShort(file: String, expected: String, got: String)
    case calibrationNotText(file: String)
    case missingCalibration(reason: String)
    /// `reason` says why the model cannot be run.
    case needsRunning(reason: String)
    case missingFisher(objective: String)
    case noFisherWeights(file: String, expected: [String], names: [String])
    case notFinite(matrix: String, what: String)
    case notDifferentiable(block: String, what: String)
    case notNarrowable(model: String)
    case hasExperts(folder: String)
    case journalMismatch(folder: String, differs: [String])
    case journalUnreadable(file: String, reason: String)
    case journalNotWritable(file: String, reason: String)
    case journalInUse(folder: String)
    case planUnreadable(file: String, reason: String)
    case planMismatch(file: String, reason: String)
    case planOfOtherChoices(file: String, choices: [String])
    case unknownRecipe(name: String, known: [String])
    case recipeUnreadable(file: String, reason: String)
    case studyUnreadable(file: String, reason: String)
    case studyMismatch(file: String, differs: [String])
    case textsOverlap(file: String, overlap: String)
    case frontTooSlow(family: String)
    case tookTooLong(seconds: Double)
    case notEnoughMemory(expected: Int, got: Int)
    case recoveryNeedsMemory(steps: String, expected: Int, limit: Int)
    case cancelled

    public var description: String {
        switch self {
        case .invalidBudget(let text, let reason):
            "budget '\(text)': \(reason)"
        case .invalidMemory(let text):
            "memory '\(text)': expected a number of bytes such as 800M or 12G"
        case .budgetTooSmall(let quantity, let budget, let smallest):
            "the budget of \(budget) \(quantity) cannot be met: the smallest these families reach is \(smallest)"
        case .budgetsTooSmallTogether(let quantity, let budget, let second, let secondBudget, let smallest):
            "the budgets of \(budget) \(quantity) and \(secondBudget) \(second) cannot be met together: "
                + "within the first, these families reach \(smallest) \(second)"
        case .latencyUnreachable(let target, let reachable, let fixed, let dense):
            "a latency of \(Self.percent(target)) of the dense model's \(dense) cannot be met: these families reach "
                + "\(Self.percent(reachable)), \(Self.percent(fixed)) being outside the matrices that take part"
        case .latencyTableUnreadable(let file, let reason):
            "\(pathForMessage(file)): not a latency table: \(reason)"
        case .latencyTableIncomplete(let file, let machine, let missing):
            "\(pathForMessage(file)): holds no time of \(missing), and is of another machine (\(machine)): "
                + "measure there with 'tessera bench calibrate'"
        case .patternMatchesNothing(let pattern):
            "pattern '\(pattern)' matches no matrix of the model (see 'tessera inspect')"
        case .unknownFamily(let name, let known):
            "unknown family '\(name)', expected one of \(known.joined(separator: ", "))"
        case .unknownAllocator(let name, let known):
            "unknown allocator '\(name)', expected one of \(known.joined(separator: ", "))"
        case .unknownFitter(let name, let known):
            "unknown fitter '\(name)', expected one of \(known.joined(separator: ", "))"
        case .unknownRecovery(let name, let known):
            "unknown recovery '\(name)', expected auto, none or some of \(known.joined(separator: ", "))"
        case .invalidLevels(let text):
            "rewrites '\(text)': expected auto, none, or shares such as 90%,80%"
        case .notNarrowedHere(let reason):
            "rewrites change all matrices of a block together: \(reason)"
        case .unknownMatrix(let folder, let matrix):
            "\(pathForMessage(folder)): no linear matrix \(quotedForMessage(matrix)) (see 'tessera inspect')"
        case .noCandidate(let matrix, let family, let shape):
            "\(matrix): \(family) has no form of a \(shape) matrix"
        case .inputsMismatch(let file, let expected, let got):
            "\(pathForMessage(file)): expected inputs of \(expected) numbers, one for each column of the weight, got \(got)"
        case .arrayNotNamed(let file, let names):
            "\(pathForMessage(file)): expected FILE.npz:NAME with one of "
                + (names.isEmpty ? "no arrays" : names.prefix(8).map(quotedForMessage).joined(separator: ", "))
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
        case .needsRunning(let reason):
            "\(reason); without being run, its plain weights can still be compressed: --without-calibration"
        case .missingFisher(let objective):
            "Fisher weights are needed: the objective '\(objective)' is made of them (--fisher FILE.npz)"
        case .noFisherWeights(let file, let expected, let names):
            "\(pathForMessage(file)): expected arrays \(expected.map(quotedForMessage).joined(separator: " or ")), got "
                + (names.isEmpty ? "no arrays" : names.prefix(8).map(quotedForMessage).joined(separator: ", "))
        case .notFinite(let matrix, let what):
            "\(matrix): \(what) holds NaN or infinite numbers"
        case .hasExperts(let folder):
            "\(pathForMessage(folder)): its feed-forward networks are cut into experts, which cannot be narrowed"
        case .notNarrowable(let model):
            "\(pathForMessage(model)): not a network of blocks: nothing is known that could be narrowed"
        case .notDifferentiable(let block, let what):
            "\(block): derivatives are not written for \(what)"
        case .journalMismatch(let folder, let differs):
            "\(pathForMessage(folder)): journal of another run: \(differs.joined(separator: ", ")) differs; remove the folder to start afresh"
        case .journalUnreadable(let file, let reason):
            "\(pathForMessage(file)): journal cannot be read: \(reason)"
        case .journalNotWritable(let file, let reason):
            "\(pathForMessage(file)): cannot be written: \(reason)"
        case .journalInUse(let folder):
            "\(pathForMessage(folder)): another process is compressing to this output"
        case .planUnreadable(let file, let reason):
            "\(pathForMessage(file)): not a plan: \(reason)"
        case .planMismatch(let file, let reason):
            "\(pathForMessage(file)): the plan does not fit this model: \(reason)"
        case .planOfOtherChoices(let file, let choices):
            "\(pathForMessage(file)): the plan was made otherwise: say \(choices.joined(separator: " "))"
        case .unknownRecipe(let name, let known):
            "unknown recipe '\(name)', expected a YAML file or one of \(known.joined(separator: ", "))"
        case .recipeUnreadable(let file, let reason):
            "\(pathForMessage(file)): not a recipe: \(reason)"
        case .studyUnreadable(let file, let reason):
            "\(pathForMessage(file)): not the results of a study: \(reason)"
        case .studyMismatch(let file, let differs):
            "\(pathForMessage(file)): results of another study: \(differs.joined(separator: ", ")) differs; remove the file to start afresh"
        case .textsOverlap(let file, let overlap):
            "\(pathForMessage(file)): \(overlap), so figures on it would flatter the model (--allow-overlap measures all the same)"
        case .frontTooSlow(let family):
            "family '\(family)' is fitted near sizes that other families chose, so it has no front of its own"
        case .tookTooLong(let seconds):
            "stopped after \(FigureText.fixed(seconds, decimals: 0)) s"
        case .notEnoughMemory(let expected, let got):
            "calibration and fitting need about \(expected) bytes of memory, the machine has \(got)"
        case .recoveryNeedsMemory(let steps, let expected, let limit):
            "recovery '\(steps)' needs the whole model in memory, about \((expected >> 20) + 1) MiB; allowed are \(limit >> 20) MiB: "
                + "give --memory \((expected >> 20) + 1)M or --recovery none"
        case .cancelled:
            "stopped; run the same command again to continue"
        }
    }

    /// Rounded up to a tenth, so that asking for what is named can be met.
    private static func percent(_ share: Double) -> String {
        guard share.isFinite, share.magnitude < 1e9 else { return "\(share)" }
        let tenths = Int((share * 1000 - 1e-9).rounded(.up))
        return tenths % 10 == 0 ? "\(tenths / 10) %" : "\(tenths / 10).\(tenths % 10) %"
    }
}

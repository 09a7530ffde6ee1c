import Analysis
import ArgumentParser
import Communication
import Compression
import Fitting
import Foundation
import LinearAlgebra
import ModelFiles
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// An error that has its line on standard error and ends the program.
struct ReportedError: Error {
    let error: any Error
}

/// The one place where an error becomes a line on standard error and an exit status (sysexits.h).
enum ErrorRendering {
    static func run(_ root: any ParsableCommand.Type) {
        // A limit on the size of files then is an error of the write, which is told and leaves nothing, not the end.
        signal(SIGXFSZ, SIG_IGN)
        do {
            let arguments = Array(CommandLine.arguments.dropFirst())
            var command = try root.parseAsRoot(BenchCommand.spelledOut(arguments))
            try command.run()
        } catch let told as ReportedError {
            exit(status(for: told.error, root.exitCode(for: told.error)))
        } catch {
            let code = root.exitCode(for: error)
            if code == .success {
                if MPICommunicator.isFirst { print(root.fullMessage(for: error)) }
                exit(EXIT_SUCCESS)
            }
            MPICommunicator.giveWay()
            report(error, root: root)
            exit(status(for: error, code))
        }
    }

    static func report(_ error: any Error, root: any ParsableCommand.Type = Tessera.self) {
        let rank = MPICommunicator.launchedRank
        standardError("error: \(rank > 0 ? "rank \(rank): " : "")\(line(for: error, root: root))\n")
    }

    /// The error as one line.
    static func line(for error: any Error, root: any ParsableCommand.Type) -> String {
        let text: String
        if isOurs(error) {
            text = "\(error)"
        } else if let problem = error as? CocoaError {
            let path = problem.userInfo[NSFilePathErrorKey] as? String ?? "file"
            text = "\(path): \(problem.localizedDescription)"
        } else {
            text = root.message(for: error)
        }
        return text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }.joined(separator: " ")
    }

    private static func isOurs(_ error: any Error) -> Bool {
        switch error {
        case is CompressionError, is FittingError, is LinearAlgebraError, is ModelFileError, is StructuredMatrixError,
            is TensorError, is TransformersError, is TokenizerError, is JSONError, is AnalysisError, is CommandError,
            is CommunicationError, is RewritingError:
            true
        default:
            false
        }
    }

    private static func status(for error: any Error, _ code: ExitCode) -> Int32 {
        switch error {
        case CommandError.wrongKind, CommandError.conflictingOptions: EX_USAGE
        case CommandError.outputExists: EX_CANTCREAT
        case CommandError.inputNotReadable: EX_NOINPUT
        case CommandError.outputNotWritable: EX_IOERR
        case CompressionError.invalidBudget, CompressionError.unknownFamily, CompressionError.unknownFitter, CompressionError.unknownRecipe,
            CompressionError.patternMatchesNothing, CompressionError.frontTooSlow: EX_USAGE
        case CompressionError.journalInUse: EX_TEMPFAIL
        case CompressionError.journalNotWritable: EX_CANTCREAT
        case CompressionError.invalidMemory, CommunicationError.notTogether: EX_USAGE
        case CompressionError.invalidLevels, CompressionError.notNarrowedHere, RewritingError.unreachable: EX_USAGE
        case CommunicationError.libraryMissing, CommunicationError.otherLibrary: EX_UNAVAILABLE
        case TensorError.fileNotReadable, AnalysisError.notReadable, TokenizerError.unreadable: EX_NOINPUT
        case ModelFileError.notReadable, ModelFileError.notAModelFolder, ModelFileError.notARegularFile: EX_NOINPUT
        case ModelFileError.notWritable, ModelFileError.destinationExists, ModelFileError.insufficientSpace: EX_CANTCREAT
        case TransformersError.invalidOption, AnalysisError.invalidWindow: EX_USAGE
        case is LinearAlgebraError: EX_SOFTWARE
        case is CocoaError: EX_IOERR
        default: isOurs(error) ? EX_DATAERR : (code == .validationFailure ? EX_USAGE : code.rawValue)
        }
    }
}

func standardError(_ text: String) {
    // Where it cannot be written there is no one to tell.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
}

import Fitting
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// One method with the choices of one paper, as a YAML file states them: enough to apply it to a model by name.
///
///     recipe: gptq-4bit          # its name
///     title: GPTQ, 4 bits in groups of 128
///     source: arXiv 2210.17323
///     family: quantized          # a family with the options of its candidates; or
///     options: {bits: 4, groupSize: 128}
///     fitter: quantize           # a fitter
///     size: 50%                  # with a share of a quantity (bytes, parameters, multiply-adds); or
///     of: parameters
///     bits: 4                    # with bits for each weight
///     objective: activations     # or frobenius ...
///     precision: f16             # optional: how factors are stored
///     only: ["*attention*"]      # optional: matrices by name
///     except: []                 # optional
///     notes: ...                 # optional
public struct MethodRecipe: Sendable, Equatable {
    public enum Method: Sendable, Equatable {
        case fitter(String, SizeShare)
        case candidate(Candidate)
    }

    public let name: String
    public let title: String
    public let source: String
    public var method: Method
    public var objective: Objective.Kind
    public var precision: Precision
    public var only: [String]
    public var except: [String]
    public let notes: String?
    /// The file as it is.
    public let text: String

    /// Whether the objective needs calibration.
    public var needsCalibration: Bool { objective.isOfInputs }
    /// Whether the objective needs Fisher weights.
    public var needsFisher: Bool { objective.isFisher }

    /// "quantized bits=4 groupSize=128", "svd, 50 % of parameters".
    public var methodText: String {
        switch method {
        case .fitter(let name, let size): "\(name), \(size.text)"
        case .candidate(let candidate): candidate.label
        }
    }

    /// The method, and the size that it is asked for; options say their own.
    /// - Throws: `CompressionError.unknownFitter`, `.unknownFamily`; `.recipeUnreadable` where options do not suit a site.
    package func sizedMethod(for sites: [MatrixSite]) throws -> (method: SizedMethod, size: SizeShare) {
        switch method {
        case .fitter(let name, let size):
            guard let method = SizedMethod.all.first(where: { $0.name == name }) else {
                throw CompressionError.unknownFitter(name: name, known: SizedMethod.all.map(\.name))
            }
            return (method, size)
        case .candidate(let candidate):
            for site in sites {
                if let reason = Plan.objection(to: candidate, of: site) {
                    throw CompressionError.recipeUnreadable(file: self.name, reason: "'\(site.name)': \(reason)")
                }
            }
            return (try SizedMethod(candidate), .share(1, of: .bytes))
        }
    }

    /// The same recipe at another size.
    /// - Throws: `CompressionError.recipeUnreadable` where options fix the size.
    public func sized(_ size: SizeShare) throws -> MethodRecipe {
        guard case .fitter(let fitter, _) = method else {
            throw CompressionError.recipeUnreadable(file: name, reason: "its options fix its size")
        }
        var recipe = self
        recipe.method = .fitter(fitter, size)
        return recipe
    }
}

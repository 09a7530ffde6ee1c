import Tensors

/// What can be wrong with a model's files. Every message is one line and begins with the file or folder.
public enum ModelFileError: Error, Equatable, Sendable {
    case notReadable(file: String, reason: String)
    case notWritable(file: String, reason: String)
    case notARegularFile(file: String)
    case tooLarge(file: String, byteCount: Int, limit: Int)
    case notJSON(file: String, JSONError)

    case safetensors(file: String, SafetensorsProblem)
    case shardIndex(file: String, ShardIndexProblem)
    case missingTensor(file: String, tensor: String)
    /// `array` is its name in an archive.
    case numPy(file: String, array: String?, NumPyProblem)
    case zip(file: String, ZipProblem)

    case notAModelFolder(folder: String, reason: String)
    case linkLeavesFolder(file: String, target: String)
    case tooManyFiles(folder: String, limit: Int)
    case missingKey(file: String, key: String)
    case wrongValue(file: String, key: String, expected: String, got: String)
    case unsupportedFormat(file: String, version: Int, newest: Int)

    case destinationExists(path: String)
    case insufficientSpace(path: String, required: Int, available: Int)
}

extension ModelFileError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notReadable(let file, let reason): "\(pathForMessage(file)): cannot be read: \(reason)"
        case .notWritable(let file, let reason): "\(pathForMessage(file)): cannot be written: \(reason)"
        case .notARegularFile(let file): "\(pathForMessage(file)): not a regular file"
        case .tooLarge(let file, let byteCount, let limit):
            "\(pathForMessage(file)): \(byteCount) bytes, at most \(limit) are allowed"
        case .notJSON(let file, let error): "\(pathForMessage(file)): \(error)"
        case .safetensors(let file, let problem): "\(pathForMessage(file)): \(problem)"
        case .shardIndex(let file, let problem): "\(pathForMessage(file)): \(problem)"
        case .missingTensor(let file, let tensor): "\(pathForMessage(file)): no tensor \(quotedForMessage(tensor))"
        case .numPy(let file, let array, let problem):
            "\(pathForMessage(file)): \(array.map { "array \(quotedForMessage($0)): " } ?? "")\(problem)"
        case .zip(let file, let problem): "\(pathForMessage(file)): \(problem)"
        case .notAModelFolder(let folder, let reason): "\(pathForMessage(folder)): not a model folder: \(reason)"
        case .linkLeavesFolder(let file, let target):
            "\(pathForMessage(file)): symbolic link to \(pathForMessage(target)), outside the folder"
        case .tooManyFiles(let folder, let limit): "\(pathForMessage(folder)): more than \(limit) files"
        case .missingKey(let file, let key): "\(pathForMessage(file)): \(quotedForMessage(key)) is missing"
        case .wrongValue(let file, let key, let expected, let got):
            "\(pathForMessage(file)): \(quotedForMessage(key)): expected \(expected), got \(got)"
        case .unsupportedFormat(let file, let version, let newest):
            "\(pathForMessage(file)): tessera format version \(version); this program reads up to version \(newest)"
        case .destinationExists(let path): "\(pathForMessage(path)): exists and is not empty"
        case .insufficientSpace(let path, let required, let available):
            "\(pathForMessage(path)): \(required) bytes needed, \(available) free on that disk"
        }
    }
}

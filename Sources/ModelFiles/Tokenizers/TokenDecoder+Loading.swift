import Tensors

extension TokenDecoder {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        switch try section.string("type") {
        case "WordPiece":
            try section.allowOnly(["type", "prefix", "cleanup"])
            self = .wordPiece(prefix: try section.bytes("prefix"), cleanup: try section.bool("cleanup"))
        case "ByteLevel":
            try section.allowOnly(["type", "add_prefix_space", "trim_offsets", "use_regex"])
            self = .byteLevel
        case "ByteFallback":
            try section.allowOnly(["type"])
            self = .byteFallback
        case "Fuse":
            try section.allowOnly(["type"])
            self = .fuse
        case "Strip":
            try section.allowOnly(["type", "content", "start", "stop"])
            self = .strip(
                content: try section.bytes("content"), start: try section.count("start"), stop: try section.count("stop"))
        case "Replace":
            try section.allowOnly(["type", "pattern", "content"])
            self = .replace(pattern: try section.literalPattern("pattern"), content: try section.bytes("content"))
        case "Sequence":
            try section.allowOnly(["type", "decoders"])
            var steps: [TokenDecoder] = []
            for step in try section.sections("decoders") { steps.append(try TokenDecoder(step)) }
            self = .sequence(steps)
        case let type: throw section.unsupported("type", "the decoder \(quotedForMessage(type))")
        }
    }
}

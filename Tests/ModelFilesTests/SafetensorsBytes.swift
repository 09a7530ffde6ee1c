/// A safetensors file by hand: the header's length, the header as given, the data.
func safetensors(_ header: String, data: [UInt8] = []) -> [UInt8] {
    safetensors(Array(header.utf8), data: data)
}

func safetensors(_ header: [UInt8], data: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + data
}

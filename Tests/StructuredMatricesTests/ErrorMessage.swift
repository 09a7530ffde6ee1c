/// The message of what a call throws; "no error" where it throws nothing.
func message(_ body: () throws -> some Any) -> String {
    do {
        _ = try body()
        return "no error"
    } catch { return "\(error)" }
}

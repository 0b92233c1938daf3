import SyncCore
import SystemPackage

/// A value of the mapping file, read and valid.
enum SettingValue: Hashable, Sendable {
    case none
    /// There, and reported as not valid.
    case invalid
    case text(String)
    case flag(Bool)
    /// Bytes, counts, rates in bytes a second.
    case number(Int64)
    case duration(Duration)
    case path(FilePath)
    case patterns([PathPattern])
    case texts([String])
    case table(TableReference)
    case uploadName(UploadNameTemplate)
    case format(UploadFormat)
    /// A block that this version does not act on.
    case block(String)
}

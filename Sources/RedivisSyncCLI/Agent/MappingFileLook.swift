import Glibc
import LocalFiles
import MappingConfig
import SyncCore
import SystemPackage

/// Decides from repeated looks when an edited mapping file is whole, and reads it once it is.
///
/// Editors write in place, write twice, or put a new file in the old one's stead; scripts truncate first. So an edit is
/// read only when two looks in a row saw the same file and nobody has it open for writing.
actor MappingFileLook {
    enum Finding: Sendable {
        case nothingNew
        case edited(LoadedMappingFile)
        case broken(MappingProblems)
    }

    private let path: FilePath
    private let sources: any SourceReader
    /// What was last read, or was found missing.
    private var judged: Sight
    private var last: Sight

    /// What a look saw.
    private enum Sight: Equatable {
        case file(FileObservation)
        case nothing
        /// Somebody is writing, or it is no file that could be looked at; never equal to what was judged.
        case unclear(Int)
    }

    private var looks = 0

    /// The file is read once at the first looks, too: it may have changed since it was loaded.
    init(path: FilePath, sources: any SourceReader) {
        self.path = path
        self.sources = sources
        judged = .unclear(-1)
        last = .unclear(-2)
    }

    /// - Parameters:
    ///   - mustRead: whether the file is read however it looks.
    ///   - again: whether it is read also where it looks as when it was last read.
    func look(mustRead: Bool = false, again: Bool = false) async -> Finding {
        let sight = await sight()
        defer { last = sight }
        guard mustRead || sight == last && (again || sight != judged) else { return .nothingNew }
        judged = sight
        do throws(MappingProblems) {
            return .edited(try MappingFile.load(path))
        } catch {
            return .broken(error)
        }
    }

    /// Whether the last look saw what has yet to be read.
    var hasNews: Bool { last != judged }

    /// What was read last came to nothing, through no fault of the file's: it is read again.
    func forget() { judged = .unclear(-1) }

    /// The lease probe comes only once the file looks new: an idle agent asks for its status alone.
    private func sight() async -> Sight {
        looks += 1
        // Links are followed: the file in /etc may be one.
        guard let seen = FileObservation(ofFileAt: path) else { return .nothing }
        let sight = Sight.file(seen)
        guard sight != judged else { return sight }
        let target = OwnPaths.resolved(path)
        guard let file = target.lastComponent.flatMap({ RelativePath(bytes: $0.bytes) }) else { return .unclear(looks) }
        let look = try? await sources.look(at: file, in: target.removingLastComponent())
        return look?.writers == .somebody ? .unclear(looks) : sight
    }
}

extension FilePath.Component {
    fileprivate var bytes: [UInt8] {
        withPlatformString { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }
}

extension FileObservation {
    /// `nil` where there is nothing that can be looked at.
    fileprivate init?(ofFileAt path: FilePath) {
        var status = stat()
        guard path.withPlatformString({ stat($0, &status) }) == 0 else { return nil }
        self.init(status)
    }
}

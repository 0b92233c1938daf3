/// Which rare things are to meet often.
package enum Profile: String, CaseIterable, Sendable {
    case twoAgents = "two-agents"
    case edits
    case laggingLists = "lagging-lists"
    case fileSystem = "file-system"
    case crashes
    case people
    case imports
    case everything

    /// How often each kind of step comes, by weight.
    var weights: [(Int, Script.Verb)] {
        let writers: [(Int, Script.Verb)] = [
            (30, .write), (8, .replace), (6, .rewrite), (1, .backdate), (3, .append), (6, .move), (3, .remove),
            (2, .link), (2, .copy),
            (2, .chmod), (2, .touch), (1, .refresh), (1, .revert), (1, .shrink),
        ]
        switch self {
        case .twoAgents:
            return writers + [
                (10, .fault), (2, .kill), (2, .start), (1, .publish), (1, .foreign), (1, .stop), (1, .burst),
            ]
        case .edits:
            return writers + [
                (12, .edit), (6, .pause), (6, .resume), (2, .fault), (1, .kill), (1, .start), (2, .slowImports),
            ]
        case .laggingLists:
            return writers + [(10, .fault), (1, .publish), (1, .kill), (1, .start), (1, .retryAll), (3, .burst)]
        case .fileSystem:
            return writers + [
                (10, .exchange), (8, .rewrite), (3, .backdate), (8, .move), (4, .replace), (5, .chmod), (3, .link),
                (3, .touch),
                (3, .refresh),
                (3, .revert), (2, .hold), (2, .release), (1, .map), (2, .store), (1, .unmap), (2, .lie), (2, .hide),
                (2, .show),
                (1, .lock), (1, .swapFolder), (2, .swapAbove), (1, .repoint), (1, .unmount), (1, .mount), (1, .remount),
                (2, .slowImports), (1, .kill), (1, .start), (1, .fault),
            ]
        case .crashes:
            return writers + [
                (8, .kill), (8, .start), (2, .stop), (3, .power), (2, .backup), (2, .restore), (2, .lose), (8, .fault),
                (2, .disk), (2, .clock), (2, .killSessions), (1, .publish),
            ]
        case .people:
            return writers + [
                (5, .forget), (4, .retry), (3, .retryAll), (4, .resolve), (4, .foreign), (3, .foreignCopy),
                (2, .foreignDelete),
                (3, .publish), (1, .discard), (2, .draft), (2, .pause), (2, .resume), (3, .fault), (2, .hide),
                (2, .show),
            ]
        case .imports:
            return writers + [
                (6, .slowImports), (6, .move), (4, .replace), (8, .fault), (2, .publish), (1, .kill), (1, .start),
                (3, .chmod),
            ]
        case .everything:
            return Profile.allCases.filter { $0 != .everything }.flatMap(\.weights)
        }
    }
}

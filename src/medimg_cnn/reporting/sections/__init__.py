"""The report's sections. Each turns evidence into neutral blocks; the order here is the reading order."""

from medimg_cnn.reporting.sections._abstention import Abstention
from medimg_cnn.reporting.sections._audit import Audit
from medimg_cnn.reporting.sections._base import Section
from medimg_cnn.reporting.sections._calibration import Calibration
from medimg_cnn.reporting.sections._checks import ChecksSection
from medimg_cnn.reporting.sections._conformal import Conformal
from medimg_cnn.reporting.sections._data import Data
from medimg_cnn.reporting.sections._decision import Decision
from medimg_cnn.reporting.sections._discrimination import Discrimination
from medimg_cnn.reporting.sections._errors import Errors
from medimg_cnn.reporting.sections._limits import Limits
from medimg_cnn.reporting.sections._methods import Methods
from medimg_cnn.reporting.sections._operating import Operating
from medimg_cnn.reporting.sections._precision import Precision
from medimg_cnn.reporting.sections._scores import Scores
from medimg_cnn.reporting.sections._subgroups import Subgroups
from medimg_cnn.reporting.sections._summary import Summary
from medimg_cnn.reporting.sections._training import Training

__all__ = ["DEFAULT_SECTIONS", "Section"]

DEFAULT_SECTIONS: tuple[Section, ...] = (
    Summary(),
    ChecksSection(),
    Data(),
    Audit(),
    Discrimination(),
    Operating(),
    Calibration(),
    Decision(),
    Scores(),
    Subgroups(),
    Conformal(),
    Abstention(),
    Precision(),
    Errors(),
    Training(),
    Methods(),
    Limits(),
)
